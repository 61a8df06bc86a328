package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;

/** Secrets of AWS Secrets Manager. */
final class AwsSecrets implements Secrets {
    @Override
    public JsonNode read(String id) {
        try (SecretsManagerClient client = SecretsManagerClient.create()) {
            String text = client.getSecretValue(request -> request.secretId(id)).secretString();
            return Json.readSecret(text, id);
        }
    }
}
