import com.amazonaws.services.schemaregistry.common.configs.GlueSchemaRegistryConfiguration;
import com.amazonaws.services.schemaregistry.serializers.SerializationDataEncoder;
import com.amazonaws.services.schemaregistry.serializers.avro.AvroSerializer;
import com.amazonaws.services.schemaregistry.utils.AWSSchemaRegistryConstants.COMPRESSION;
import java.util.HexFormat;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.DecoderFactory;

/**
 * Prints what the serializer of AWS Glue's schema registry makes of an order that is in Avro already, plain and compressed.
 *
 * With software.amazon.glue:schema-registry-serde:1.1.24 and what it depends on in lib, and the schema and the second order
 * that messages.json holds: `java -cp 'lib/*' Glue.java SCHEMA HEX > glue.hex`.
 */
public class Glue {
    public static void main(String[] given) throws Exception {
        Schema schema = new Schema.Parser().parse(given[0]);
        byte[] bytes = HexFormat.of().parseHex(given[1]);
        Object order = new GenericDatumReader<>(schema).read(null, DecoderFactory.get().binaryDecoder(bytes, null));
        byte[] data = new AvroSerializer().serialize(order);
        for (COMPRESSION compression : new COMPRESSION[] {COMPRESSION.NONE, COMPRESSION.ZLIB}) {
            GlueSchemaRegistryConfiguration configuration = new GlueSchemaRegistryConfiguration("eu-north-1");
            configuration.setCompressionType(compression);
            UUID id = UUID.fromString("b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63");
            byte[] message = new SerializationDataEncoder(configuration).write(data, id);
            System.out.println(HexFormat.of().formatHex(message));
        }
    }
}
