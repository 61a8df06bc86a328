package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;

/** Secrets of AWS Secrets Manager. */
final class AwsSecrets implements Secrets {
    /** The process's client, made when it is needed first. */
    private static final class OfProcess {
        static final SecretsManagerClient CLIENT = SecretsManagerClient.create();
    }

    @Override
    public JsonNode read(String id) {
        return Json.readSecret(OfProcess.CLIENT.getSecretValue(request -> request.secretId(id)).secretString(), id);
    }
}
